import { createReadStream } from 'node:fs';
import { access, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Conflict, InvalidTask } from '../ports/errors';

const NEWLINE = 10;
/** Written together, UTF-16 units. */
const CHUNK = 2 ** 20;
/** Longer than any task can be in JSON; what is longer has no line ends. */
const LONGEST_LINE_BYTES = 256 * 2 ** 20;

/** The lines of a file as bytes, one at a time. Only the byte 10 ends a line: texts may hold U+2028. Throws `InvalidTask` for an endless one. */
export async function* readLines(path: string): AsyncGenerator<Buffer, void> {
  let parts: Buffer[] = [];
  let length = 0;
  const taken = (): Buffer => {
    const line = Buffer.concat(parts);
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      parts.push(chunk.subarray(from, end));
      yield taken();
      from = end + 1;
    }
    if (from === chunk.length) continue;
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > LONGEST_LINE_BYTES) throw new InvalidTask(`${path} has a line longer than ${LONGEST_LINE_BYTES} bytes`);
  }
  if (length > 0) yield taken();
}

/** Writes lines into a new file, which has its name only when all of it is on the disk. Throws `Conflict` when it exists. */
export async function writeLines(path: string, lines: AsyncIterable<string>): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) throw new Conflict(`${path} exists; it is not replaced`);
  const partial = `${resolve(path)}.partial`;
  const file = await open(partial, 'w', 0o600);
  try {
    await writeAll(file, lines);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  }
  await file.close();
  await rename(partial, path);
  const directory = await open(dirname(resolve(path)), 'r');
  await directory.sync().finally(() => directory.close());
}

async function writeAll(file: FileHandle, lines: AsyncIterable<string>): Promise<void> {
  let waiting: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    if (length > 0) await file.appendFile(waiting.join(''));
    waiting = [];
    length = 0;
  };
  for await (const line of lines) {
    waiting.push(line, '\n');
    length += line.length + 1;
    if (length >= CHUNK) await flush();
  }
  await flush();
}
