import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { adapters } from './adapters';

/** `tes-gateway hash-password`: asks for a password, or reads it from the first line of a pipe, and prints what stands in the settings for it. */
async function main(): Promise<void> {
  const login = adapters.authenticators.find((one) => 'hashPassword' in one);
  if (!login?.hashPassword) throw new Error('no login of this version has passwords');
  const password = process.stdin.isTTY ? await askedTwice() : await firstLine();
  if (password === '') throw new Error('there is no password');
  process.stdout.write(`${await login.hashPassword(password)}\n`);
}

async function askedTwice(): Promise<string> {
  // Nothing that is typed is shown.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    const [first, second] = [await ask(terminal, 'Password: '), await ask(terminal, 'Again: ')];
    if (first === second) return first;
    throw new Error('these are two different passwords');
  } finally {
    terminal.close();
  }
}

async function ask(terminal: Interface, words: string): Promise<string> {
  process.stderr.write(words);
  const answer = await terminal.question('');
  process.stderr.write('\n');
  return answer;
}

async function firstLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  for await (const line of lines) return line;
  return '';
}

main().catch((error: unknown) => {
  process.stderr.write(`hash-password: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
