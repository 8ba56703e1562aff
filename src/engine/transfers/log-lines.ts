/** As many as `system_logs` keeps at all; each stands for something that was left out, of which there may be millions. */
const MOST_LINES = 1000;

/** Public lines of one transfer, the first ones; of the rest the number. */
export class LogLines {
  private readonly lines: string[] = [];
  private more = 0;

  say(line: string): void {
    if (this.lines.length < MOST_LINES) this.lines.push(line);
    else this.more += 1;
  }

  all(): readonly string[] {
    return this.more === 0 ? this.lines : [...this.lines, `and ${this.more} more of such lines`];
  }
}
