import type { Problem } from '../../ports/errors';
import type { StorageRegistry } from '../../ports/registries';
import { schemeOf } from '../../task/url';
import type { TesTaskRequest } from '../../task/tes';

/**
 * Every URL of a request that can never be read or written here, before anything is tried: a scheme nobody serves, or what its
 * storage refuses (whose words name the setting). Inline `content` makes a `url` irrelevant. Pure; called for every create.
 */
export function checkUrls(request: TesTaskRequest, storage: StorageRegistry): Problem[] {
  const problems: Problem[] = [];
  const check = (path: string, url: string, use: 'read' | 'write'): void => {
    const client = storage.find(url);
    const message = client ? client.refusal(url, use) : unserved(url, storage.schemes);
    if (message !== undefined) problems.push({ path, message });
  };
  for (const [index, input] of (request.inputs ?? []).entries()) {
    if (input.url !== undefined && (input.content === undefined || input.content === ''))
      check(`$.inputs[${index}].url`, input.url, 'read');
  }
  for (const [index, output] of (request.outputs ?? []).entries()) check(`$.outputs[${index}].url`, output.url, 'write');
  return problems;
}

function unserved(url: string, schemes: readonly string[]): string {
  const scheme = schemeOf(url);
  const served = `this server reads and writes: ${schemes.join(', ') || 'nothing'} (settings under storage)`;
  return scheme === undefined ? `is neither a URL nor an absolute path; ${served}` : `no storage is set up for ${scheme} URLs; ${served}`;
}
