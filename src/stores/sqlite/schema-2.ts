import { ROOM_STATES } from '../../task/room';
import { QUEUED_CODE, stateCode } from './codes';

const USES_ROOM = `(${ROOM_STATES.map(stateCode).join(', ')})`;
const LEAVE = `UPDATE class_count SET n = n - 1 WHERE class = old.waits;
  DELETE FROM class_count WHERE class = old.waits AND n = 0`;
const JOIN = 'INSERT INTO class_count (class, n) VALUES (new.waits, 1) ON CONFLICT DO UPDATE SET n = n + 1';

/** Keep the sums of room. `of`: the columns that decide what room a task uses, beside those that are summed up. */
export function roomTriggers(of: string, sums: readonly string[]): string {
  const each = (text: (sum: string) => string, between = ', '): string => sums.map(text).join(between);
  const give = `UPDATE room SET ${each((sum) => `${sum} = ${sum} - old.${sum}`)}, jobs = jobs - 1 WHERE key = old.room;
  DELETE FROM room WHERE key = old.room AND jobs = 0`;
  const take = `INSERT INTO room (key, ${each(String)}, jobs) VALUES (new.room, ${each((sum) => `new.${sum}`)}, 1)
  ON CONFLICT DO UPDATE SET ${each((sum) => `${sum} = ${sum} + excluded.${sum}`)}, jobs = jobs + 1`;
  const isMoved = `old.room IS NOT new.room OR ${each((sum) => `old.${sum} <> new.${sum}`, ' OR ')}`;
  return `CREATE TRIGGER room_at_insert AFTER INSERT ON task WHEN new.room IS NOT NULL BEGIN ${take}; END;
CREATE TRIGGER room_given AFTER UPDATE OF ${of}, ${each(String)} ON task
  WHEN old.room IS NOT NULL AND (${isMoved}) BEGIN ${give}; END;
CREATE TRIGGER room_taken AFTER UPDATE OF ${of}, ${each(String)} ON task
  WHEN new.room IS NOT NULL AND (${isMoved}) BEGIN ${take}; END;
CREATE TRIGGER room_at_delete AFTER DELETE ON task WHEN old.room IS NOT NULL BEGIN ${give}; END;`;
}

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

${roomTriggers('state, backend, bound_to', ['cpu', 'ram'])}

CREATE TRIGGER class_at_insert AFTER INSERT ON task WHEN new.waits IS NOT NULL BEGIN ${JOIN}; END;
CREATE TRIGGER class_left AFTER UPDATE OF state, not_before, class ON task
  WHEN old.waits IS NOT NULL AND old.waits IS NOT new.waits BEGIN ${LEAVE}; END;
CREATE TRIGGER class_joined AFTER UPDATE OF state, not_before, class ON task
  WHEN new.waits IS NOT NULL AND old.waits IS NOT new.waits BEGIN ${JOIN}; END;
CREATE TRIGGER class_at_delete AFTER DELETE ON task WHEN old.waits IS NOT NULL BEGIN ${LEAVE}; END;
`;
