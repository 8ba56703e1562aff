import { InvalidTask, type Problem } from '../../ports/errors';
import { ignoredMembers } from '../../task/ignored-members';
import { normalizeTask } from '../../task/normalize-task';
import { isObject } from '../../task/plain-object';
import type { TesTaskRequest } from '../../task/tes';
import { shapeOf } from '../../shape/shape-of-class';
import { TaskDto } from './task.dto';

/** An answer with ten thousand problems helps nobody. */
const MOST_PROBLEMS = 100;

const SHAPE = shapeOf(TaskDto);

/**
 * A request body as a task: brought into one form, then every value of the right JSON type. What it means (paths, URLs, image
 * references) is checked behind the service. Throws InvalidTask with every problem at once.
 */
export function readTask(body: unknown): TesTaskRequest {
  const document = normalizeTask(body);
  const problems: Problem[] = [];
  if (isTask(document, problems)) return document;
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  // What is required is often there under a misspelt name.
  const ignored = ignoredMembers(body);
  const aside = ignored === undefined ? '' : `; ${ignored}`;
  throw new InvalidTask(`not a TES task: ${first?.path ?? '$'} ${first?.message ?? 'is not valid'}${more}${aside}`, {
    details: problems.slice(0, MOST_PROBLEMS),
  });
}

/** The rules of `TaskDto` are those of `TesTaskRequest`; `type` is always there once normalised. */
function isTask(document: unknown, problems: Problem[]): document is TesTaskRequest {
  if (isObject(document)) SHAPE.collect(document, '$', problems);
  else problems.push({ path: '$', message: 'must be an object: a TES task' });
  return problems.length === 0;
}
