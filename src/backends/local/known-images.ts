import type { JobFacts } from '../shared/job-facts';
import type { JobProgress } from '../shared/job-progress';

/** So long an image's id is believed without asking: a name given to a new image is noticed after that. */
const BELIEVED_MS = 5000;

/** Image name -> id as the last jobs found it. Only saves time: a job that is told nothing asks its engine. */
export class KnownImages {
  private readonly known = new Map<string, { id: string; until: number }>();

  learn(progress: JobProgress, facts: JobFacts): void {
    for (const note of progress.notes) {
      if (note.word !== 'image') continue;
      const [index, id = ''] = note.text.split(' ');
      const name = facts.executors[Number(index)]?.image.replace(/^docker:\/\//, '');
      if (name !== undefined && id !== '') this.known.set(name, { id, until: performance.now() + BELIEVED_MS });
    }
  }

  current(): ReadonlyMap<string, string> {
    const now = performance.now();
    for (const [name, { until }] of this.known) if (until < now) this.known.delete(name);
    return new Map([...this.known].map(([name, { id }]) => [name, id]));
  }
}
