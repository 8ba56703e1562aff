import type { LogRequest } from '../../engine/log-reader';
import { InvalidRequest } from '../../ports/errors';
import { requestPart } from '../http/request-part';
import { countOf, type Query, switchOf } from '../tasks/list-query';

export interface LogPath {
  readonly executor: string;
  readonly stream: string;
}

/** Which part of which stream. Throws InvalidRequest. */
export function logRequestOf({ executor, stream }: LogPath, query: Query): LogRequest {
  if (!/^\d{1,6}$/.test(executor)) throw problem('executor', 'must be the index of an executor');
  if (stream !== 'stdout' && stream !== 'stderr') throw problem('stream', 'must be stdout or stderr');
  return { executor: Number(executor), stream, offset: countOf(query, 'offset', 0), follow: switchOf(query, 'follow') };
}

function problem(path: string, message: string): InvalidRequest {
  return new InvalidRequest(`${path} ${message}`, { details: [{ path, message }] });
}

export const LogQuery = requestPart<LogPath, Query, LogRequest>((request) => logRequestOf(request.params, request.query));
