/** One fault of a request: where (a JSON path such as `$.inputs[0].path`) and what, in words a client may read. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}
