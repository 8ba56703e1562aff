import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh directory for each test, removed after it. */
export function temporaryDirectory(name = 'unit'): () => string {
  let directory = '';
  beforeEach(async () => {
    directory = await fs.mkdtemp(join(tmpdir(), `tes-gateway-${name}-`));
  });
  afterEach(() => fs.rm(directory, { recursive: true, force: true }));
  return () => directory;
}
