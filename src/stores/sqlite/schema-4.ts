import { ROOM_STATES, ROOMLESS_STEP } from '../../task/room';
import { stateCode, stepCode } from './codes';
import { roomTriggers } from './schema-2';

export const ROOM_TRIGGER_NAMES = ['room_at_insert', 'room_given', 'room_taken', 'room_at_delete'];

/** A task whose outputs wait for their storage uses no room: that is a matter of its step, which no earlier program has written. */
export const ROOM_BY_STEP = `
${ROOM_TRIGGER_NAMES.map((name) => `DROP TRIGGER ${name};`).join('\n')}
ALTER TABLE task DROP COLUMN room;
ALTER TABLE task ADD COLUMN room TEXT GENERATED ALWAYS AS (
  CASE WHEN state IN (${ROOM_STATES.map(stateCode).join(', ')}) AND step <> ${stepCode(ROOMLESS_STEP)}
    THEN backend || ifnull('@' || bound_to, '') END
) VIRTUAL;
${roomTriggers('state, step, backend, bound_to', ['cpu', 'ram'])}
`;
