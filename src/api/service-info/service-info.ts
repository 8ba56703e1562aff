import { COMMON_PARAMETER_KEYS } from '../../task/backend-parameters';
import type { ServiceInfoSettings } from '../api-settings';

/** tesServiceInfo (GA4GH service-info 1.0.0 `Service` with the TES additions). */
export interface ServiceInfo {
  readonly id: string;
  readonly name: string;
  readonly type: { readonly group: string; readonly artifact: 'tes'; readonly version: string };
  readonly description?: string;
  readonly organization: { readonly name: string; readonly url: string };
  readonly contactUrl?: string;
  readonly documentationUrl?: string;
  readonly createdAt?: string;
  readonly updatedAt?: string;
  readonly environment?: string;
  readonly version: string;
  readonly storage: readonly string[];
  readonly tesResources_backend_parameters: readonly string[];
}

/** @param storage prefixes that can really be reached @param parameterKeys of all backends that are on, repeated or not */
export function serviceInfo(settings: ServiceInfoSettings, storage: readonly string[], parameterKeys: readonly string[]): ServiceInfo {
  return {
    type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' },
    ...settings,
    storage: [...new Set(storage)],
    tesResources_backend_parameters: [...new Set([...COMMON_PARAMETER_KEYS, ...parameterKeys])].sort(),
  };
}

/** What TES 0.3 answered at `/v1/tasks/service-info`; one more key and py-tes 0.4 dies. */
export interface LegacyServiceInfo {
  readonly name: string;
  readonly doc: string;
  readonly storage: readonly string[];
}

/**
 * `file://` is left out: Toil, the reader of this answer, takes it as "my job store is mounted live" and would lose it by a copy.
 */
export function legacyServiceInfo(settings: ServiceInfoSettings, storage: readonly string[]): LegacyServiceInfo {
  const remote = [...new Set(storage)].filter((location) => !location.startsWith('file:') && !location.startsWith('/'));
  return { name: settings.name, doc: settings.description ?? 'GA4GH Task Execution Service', storage: remote };
}
