import { type CanActivate, type ExecutionContext, Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticator } from '../../ports/authenticator';
import { Unauthenticated } from '../../ports/errors';
import { AUTHENTICATORS } from '../api-settings';
import { setPrincipal } from './current-principal.decorator';

/** Asks the authenticators in the order of the settings; the first that recognises its scheme decides. */
@Injectable()
export class AuthGuard implements CanActivate, OnModuleDestroy {
  /** Ends what authenticators wait for when the server stops; their own time limits are theirs. */
  private readonly stopping = new AbortController();

  constructor(@Inject(AUTHENTICATORS) private readonly authenticators: readonly Authenticator[]) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    try {
      for (const authenticator of this.authenticators) {
        const principal = await authenticator.authenticate(request.headers, this.stopping.signal);
        if (!principal) continue;
        setPrincipal(request, principal);
        return true;
      }
      throw new Unauthenticated('authentication is required');
    } catch (error) {
      if (error instanceof Unauthenticated) http.getResponse<FastifyReply>().header('www-authenticate', this.challenges());
      throw error;
    }
  }

  onModuleDestroy(): void {
    this.stopping.abort();
  }

  /** RFC 9110 11.6.1: what the client may try. */
  private challenges(): string[] {
    return this.authenticators.flatMap(({ challenge }) => challenge ?? []);
  }
}
