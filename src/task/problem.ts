/** One fault of a request: where (a JSON path such as `$.inputs[0].path`, or a parameter's name) and what, in words a client may read. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}
