import { MethodNotAllowedException } from '@nestjs/common';

/** The path is served, but not with this method. RFC 9110 15.5.6: the answer names the ones that are. */
export class MethodNotServed extends MethodNotAllowedException {
  constructor(
    method: string,
    readonly allowed: readonly string[],
  ) {
    super(`${method} is not served here, only ${allowed.join(', ')}`);
  }
}
