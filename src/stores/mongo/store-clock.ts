/**
 * The store's time: the server's clock, as one call every few seconds shows it, advanced by this machine's monotonic clock in between.
 * It never steps back while the process lives: after a measurement that lags it stands still, or for more than `STAND_MS` goes on at half
 * speed, until the server's clock has come up to it.
 */
const STAND_MS = 1000;

export class StoreClock {
  /** Server time minus monotonic time. */
  private offset: number;
  private latest: number;
  /** Monotonic time of the last answer. */
  private at: number;

  constructor(
    measurement: ServerTime,
    private readonly monotonicNow: () => number,
  ) {
    this.offset = offsetOf(measurement);
    this.at = monotonicNow();
    this.latest = Math.floor(this.offset + this.at);
  }

  now(): number {
    const monotonic = this.monotonicNow();
    const measured = this.offset + monotonic;
    if (measured >= this.latest) this.latest = measured;
    else if (this.latest - measured > STAND_MS) this.latest += (monotonic - this.at) / 2;
    this.at = monotonic;
    return Math.floor(this.latest);
  }

  /** Takes a new measurement into account; one that took long says little and is passed over unless nothing better is known. */
  correct(measurement: ServerTime): void {
    this.now();
    const roundTrip = measurement.received - measurement.sent;
    const offset = offsetOf(measurement);
    if (Math.abs(offset - this.offset) > roundTrip / 2) this.offset = offset;
  }
}

/** The server's wall clock, ms since the epoch, and this machine's monotonic clock before and after the call. */
export interface ServerTime {
  readonly server: number;
  readonly sent: number;
  readonly received: number;
}

function offsetOf({ server, sent, received }: ServerTime): number {
  return server - (sent + received) / 2;
}
