import type { HostStatus } from '../shared/script/script-host';

const STATUSES: Readonly<Record<string, HostStatus>> = {
  // Also a job that was never submitted, or cancelled before; and one that a Pulsar which was killed had just taken up.
  preprocessing: 'made',
  queued: 'queued',
  // After a restart of Pulsar it says so for ever.
  running: 'underway',
  postprocessing: 'underway',
  complete: 'ended',
  failed: 'ended',
  cancelled: 'ended',
  lost: 'none',
};

/** What Pulsar's own word for a job says. An unknown word, or null (a batch system's code that Pulsar does not map), changes nothing: `underway`. */
export function statusOf(word: string | null): HostStatus {
  return (word !== null && Object.hasOwn(STATUSES, word) ? STATUSES[word] : undefined) ?? 'underway';
}
