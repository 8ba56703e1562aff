/**
 * The environment of a program whose wall clock is not the machine's (libfaketime); its monotonic clock is. `from` is a file that holds
 * the offset, in seconds with a sign, and may be written while the program runs.
 */
export function shiftedClock(by: { readonly offset: string } | { readonly from: string }): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: 'libfaketime.so.1',
    LD_LIBRARY_PATH: '/usr/lib/x86_64-linux-gnu/faketime:/usr/lib/aarch64-linux-gnu/faketime',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    ...('offset' in by ? { FAKETIME: by.offset } : { FAKETIME_TIMESTAMP_FILE: by.from, FAKETIME_NO_CACHE: '1' }),
  };
}
