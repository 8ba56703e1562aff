/** What Pulsar's own word for a job says about the script. The report decides; this only tells where to look. */
export type PulsarMeaning =
  /** No process of it yet. */
  | 'waiting'
  /** There is, or was, a process: after a restart of Pulsar it says so for ever. */
  | 'underway'
  /** Pulsar has seen the end of it, or knows nothing of it. */
  | 'over';

const MEANINGS: Readonly<Record<string, PulsarMeaning>> = {
  // The directory is there, nothing is recorded as launched: also a job that was never submitted, or cancelled before.
  preprocessing: 'waiting',
  queued: 'waiting',
  running: 'underway',
  postprocessing: 'underway',
  complete: 'over',
  failed: 'over',
  cancelled: 'over',
  // No directory under this id.
  lost: 'over',
};

/** An unknown word, or null (a batch system's code that Pulsar does not map), changes nothing: `underway`. */
export function meaningOf(status: string | null): PulsarMeaning {
  return (status !== null && Object.hasOwn(MEANINGS, status) ? MEANINGS[status] : undefined) ?? 'underway';
}
