import { QUEUED_CODE } from './codes';
import { roomTriggers } from './schema-2';
import { ROOM_TRIGGER_NAMES } from './schema-4';

const COUNT = (list: string, state: string): string => `INSERT INTO group_count (name, state, n)
  SELECT value, ${state}, 1 FROM json_each(${list}) WHERE true ON CONFLICT DO UPDATE SET n = n + 1`;
const UNCOUNT = (list: string, state: string): string => `UPDATE group_count SET n = n - 1
  WHERE state = ${state} AND name IN (SELECT value FROM json_each(${list}))`;

/** The groups of a task, a JSON list, never changed; pages find them among the terms. What has none costs nothing. */
export const GROUPS = `
ALTER TABLE task ADD COLUMN groups TEXT;
CREATE TABLE group_count (name TEXT, state INTEGER, n INTEGER NOT NULL, PRIMARY KEY (name, state)) STRICT, WITHOUT ROWID;
CREATE TRIGGER group_at_insert AFTER INSERT ON task WHEN new.groups IS NOT NULL BEGIN ${COUNT('new.groups', 'new.state')}; END;
CREATE TRIGGER group_moved AFTER UPDATE OF state ON task WHEN new.groups IS NOT NULL AND old.state <> new.state BEGIN
  ${UNCOUNT('new.groups', 'old.state')};
  ${COUNT('new.groups', 'new.state')};
END;
CREATE TRIGGER group_at_delete AFTER DELETE ON task WHEN old.groups IS NOT NULL BEGIN ${UNCOUNT('old.groups', 'old.state')}; END;
`;

/** Disk and GPUs beside cores and memory. */
export const MORE_AMOUNTS = `
${['task', 'room'].flatMap((table) => ['disk', 'gpus'].map((name) => `ALTER TABLE ${table} ADD COLUMN ${name} REAL NOT NULL DEFAULT 0;`)).join('\n')}
DROP INDEX task_queue;
CREATE INDEX task_queue ON task (class, not_before, seq, cpu, ram, disk, gpus) WHERE state = ${QUEUED_CODE};
${ROOM_TRIGGER_NAMES.map((name) => `DROP TRIGGER ${name};`).join('\n')}
${roomTriggers('state, step, backend, bound_to', ['cpu', 'ram', 'disk', 'gpus'])}
`;
