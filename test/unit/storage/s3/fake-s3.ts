import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Storage } from '../../../../src/storage/s3/s3.storage';
import { ANYWHERE } from '../../../support/connections';

/** A server that says of a bucket what a test wants it to: no real one at hand has such keys, or so many. */
export interface FakeS3 {
  readonly storage: S3Storage;
  readonly requests: IncomingMessage[];
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  close(): Promise<void>;
}

export async function startFakeS3(): Promise<FakeS3> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    fake.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const storage = new S3Storage({
    enabled: true,
    endpoints: [{ prefix: 's3://', url, access_key_id: 'a', secret_access_key: 'b' }],
    reach: ANYWHERE,
    connectTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    memoryBytes: 64 * 1024 * 1024,
  });
  const fake: FakeS3 = {
    storage,
    requests,
    answer: (_request, response) => response.writeHead(500).end(),
    async close() {
      storage.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

/** Answers lists from keys in order, as S3 does: in pages, with the encoding that it was asked for. */
export function listing(keys: readonly string[], sizeBytes = 1): FakeS3['answer'] {
  return (request, response) => {
    const query = new URLSearchParams((request.url ?? '').split('?')[1]);
    const prefix = query.get('prefix') ?? '';
    const from = Number(query.get('continuation-token') ?? 0);
    const most = Number(query.get('max-keys') ?? 1000);
    const found = keys.filter((key) => key.startsWith(prefix));
    const page = found.slice(from, from + most).map((key) => {
      const name = encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/');
      return `<Contents><Key>${name}</Key><Size>${sizeBytes}</Size><ETag>"x"</ETag></Contents>`;
    });
    const more = from + most < found.length;
    response.writeHead(200, { 'Content-Type': 'application/xml' });
    response.end(
      `<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>` +
        `${more ? `<NextContinuationToken>${from + most}</NextContinuationToken>` : ''}${page.join('')}</ListBucketResult>`,
    );
  };
}
