import { ROOM_STATES } from '../../task/room';
import { QUEUED_CODE, stateCode } from './codes';

const USES_ROOM = `(${ROOM_STATES.map(stateCode).join(', ')})`;
const GIVE = `UPDATE room SET cpu = cpu - old.cpu, ram = ram - old.ram, jobs = jobs - 1 WHERE key = old.room;
  DELETE FROM room WHERE key = old.room AND jobs = 0`;
const TAKE = `INSERT INTO room (key, cpu, ram, jobs) VALUES (new.room, new.cpu, new.ram, 1)
  ON CONFLICT DO UPDATE SET cpu = cpu + excluded.cpu, ram = ram + excluded.ram, jobs = jobs + 1`;
const LEAVE = `UPDATE class_count SET n = n - 1 WHERE class = old.waits;
  DELETE FROM class_count WHERE class = old.waits AND n = 0`;
const JOIN = 'INSERT INTO class_count (class, n) VALUES (new.waits, 1) ON CONFLICT DO UPDATE SET n = n + 1';
const IS_MOVED = 'old.room IS NOT new.room OR old.cpu <> new.cpu OR old.ram <> new.ram';

/** Keep the sums of room. `of`: the columns that decide what room a task uses. */
export const ROOM_TRIGGERS = (
  of: string,
): string => `CREATE TRIGGER room_at_insert AFTER INSERT ON task WHEN new.room IS NOT NULL BEGIN ${TAKE}; END;
CREATE TRIGGER room_given AFTER UPDATE OF ${of} ON task
  WHEN old.room IS NOT NULL AND (${IS_MOVED}) BEGIN ${GIVE}; END;
CREATE TRIGGER room_taken AFTER UPDATE OF ${of} ON task
  WHEN new.room IS NOT NULL AND (${IS_MOVED}) BEGIN ${TAKE}; END;
CREATE TRIGGER room_at_delete AFTER DELETE ON task WHEN old.room IS NOT NULL BEGIN ${GIVE}; END;`;

/**
 * The queue by class, and sums of the room in use in the place of one row for each task that uses some. `waits` is the class of a task
 * that waits for a backend and for nothing else, `room` the key of the room that it uses. Needs the function `queue_class` (`open-database.ts`).
 */
export const CLASSES_AND_SUMS = `
ALTER TABLE task ADD COLUMN class TEXT;
ALTER TABLE task ADD COLUMN queued_at INTEGER;
ALTER TABLE task ADD COLUMN waits TEXT GENERATED ALWAYS AS (CASE WHEN state = ${QUEUED_CODE} AND not_before IS NULL THEN class END) VIRTUAL;
ALTER TABLE task ADD COLUMN room TEXT
  GENERATED ALWAYS AS (CASE WHEN state IN ${USES_ROOM} THEN backend || ifnull('@' || bound_to, '') END) VIRTUAL;

UPDATE task SET class = queue_class(record.json), queued_at = json_extract(record.json, '$.createdAt')
  FROM record WHERE record.seq = task.seq AND task.state = ${QUEUED_CODE};

DROP INDEX task_queue;
CREATE INDEX task_queue ON task (class, not_before, seq, cpu, ram) WHERE state = ${QUEUED_CODE};
CREATE INDEX task_queued_at ON task (queued_at) WHERE state = ${QUEUED_CODE};

DROP TABLE reservation;
CREATE TABLE room (key TEXT PRIMARY KEY, cpu REAL NOT NULL, ram REAL NOT NULL, jobs INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO room SELECT room, sum(cpu), sum(ram), count(*) FROM task WHERE state IN ${USES_ROOM} AND room IS NOT NULL GROUP BY room;
CREATE TABLE class_count (class TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO class_count SELECT class, count(*) FROM task WHERE state = ${QUEUED_CODE} AND not_before IS NULL GROUP BY class;

${ROOM_TRIGGERS('state, backend, bound_to, cpu, ram')}

CREATE TRIGGER class_at_insert AFTER INSERT ON task WHEN new.waits IS NOT NULL BEGIN ${JOIN}; END;
CREATE TRIGGER class_left AFTER UPDATE OF state, not_before, class ON task
  WHEN old.waits IS NOT NULL AND old.waits IS NOT new.waits BEGIN ${LEAVE}; END;
CREATE TRIGGER class_joined AFTER UPDATE OF state, not_before, class ON task
  WHEN new.waits IS NOT NULL AND old.waits IS NOT new.waits BEGIN ${JOIN}; END;
CREATE TRIGGER class_at_delete AFTER DELETE ON task WHEN old.waits IS NOT NULL BEGIN ${LEAVE}; END;
`;
