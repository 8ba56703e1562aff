import type { S3 } from '@aws-sdk/client-s3';

const sums = new WeakMap<object, string>();

/** Of a body that is a stream: its SHA-256 in hexadecimal is signed. Without it a stream is sent unsigned, and nobody finds out what became of it on the way. */
export function setSum(body: object, sha256: string): void {
  sums.set(body, sha256);
}

/** Has a client sign what `setSum` says. */
export function signSums(client: S3): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const body = 'Body' in args.input ? args.input.Body : undefined;
      const sum = typeof body === 'object' ? sums.get(body) : undefined;
      if (sum !== undefined) Object.assign((args.request as { readonly headers: object }).headers, { 'x-amz-content-sha256': sum });
      return next(args);
    },
    { step: 'build', name: 'contentSums' },
  );
}
