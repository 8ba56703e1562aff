import { Controller, Get, Inject, Redirect, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Rules } from '../auth/route-rules';
import { API_SETTINGS, type ApiSettings } from '../api-settings';
import { forwardedPrefix } from './forwarded-prefix';

/** A person who opens the server in a browser wants the documentation. */
@ApiExcludeController()
@Controller()
export class RootController {
  constructor(@Inject(API_SETTINGS) private readonly settings: ApiSettings) {}

  @Get()
  @Rules({ open: 'docs' })
  @Redirect()
  openDocumentation(@Req() request: FastifyRequest): { readonly url: string; readonly statusCode: number } {
    return { url: `${forwardedPrefix(request, this.settings)}/docs`, statusCode: 302 };
  }

  /** Where Swagger UI at `/docs` has a provider send people back to, with what that says in the query. */
  @Get('oauth2-redirect.html')
  @Rules({ open: 'docs' })
  @Redirect()
  endLogin(@Req() request: FastifyRequest): { readonly url: string; readonly statusCode: number } {
    const [, query = ''] = /^[^?]*(\?.*)?$/s.exec(request.url) ?? [];
    return { url: `${forwardedPrefix(request, this.settings)}/docs/oauth2-redirect.html${query}`, statusCode: 302 };
  }
}
