import type { Problem } from '../../ports/errors';
import type { StorageRegistry } from '../../ports/registries';
import { checkMeetingOutputs } from './meeting-outputs';
import { schemeOf } from '../../task/url';
import type { Owner } from '../../task/owner';
import type { TesFileType, TesTaskRequest } from '../../task/tes';

/**
 * Every URL of a request that can never be read or written here, before anything is tried: a scheme nobody serves, what its
 * storage refuses (whose words name the setting), a DIRECTORY to read where none can be listed, or one at which two outputs would
 * overwrite each other. Inline `content` makes a `url` irrelevant. Pure; called for every create.
 */
export function checkUrls(request: TesTaskRequest, storage: StorageRegistry, owner: Owner): Problem[] {
  const problems: Problem[] = [];
  const check = (path: string, url: string, use: 'read' | 'write', type?: TesFileType): void => {
    const client = storage.find(url);
    let message = client ? client.refusal(url, use, owner) : unserved(url, storage.schemes);
    if (type === 'DIRECTORY' && client && !client.list) message ??= unlistable(url);
    if (message !== undefined) problems.push({ path, message });
  };
  for (const [index, input] of (request.inputs ?? []).entries()) {
    if (input.url !== undefined && (input.content === undefined || input.content === ''))
      check(`$.inputs[${index}].url`, input.url, 'read', input.type);
  }
  const outputs = request.outputs ?? [];
  for (const [index, output] of outputs.entries()) check(`$.outputs[${index}].url`, output.url, 'write');
  return [...problems, ...checkMeetingOutputs(outputs, storage)];
}

function unserved(url: string, schemes: readonly string[]): string {
  const scheme = schemeOf(url);
  const served = `this server reads and writes: ${schemes.join(', ') || 'nothing'} (settings under storage)`;
  return scheme === undefined ? `is neither a URL nor an absolute path; ${served}` : `no storage is set up for ${scheme} URLs; ${served}`;
}

function unlistable(url: string): string {
  return `is to be a DIRECTORY, but what ${schemeOf(url) ?? 'such'} URLs name are single files: name each file as an input of its own`;
}
