const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * A task id: 48 bits of time (ms) and 80 random bits in lower-case base32 without i, l, o, u; 26 characters. Sorts by age, fits
 * URLs and Kubernetes names, and cannot be guessed. `randomBytes` gives 10 bytes.
 */
export function taskId(nowMs: number, randomBytes: Uint8Array): string {
  let id = '';
  let time = nowMs;
  for (let digit = 0; digit < 10; digit += 1) {
    id = ALPHABET.charAt(time % 32) + id;
    time = Math.floor(time / 32);
  }
  let bits = 0;
  let value = 0;
  for (const byte of randomBytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      id += ALPHABET.charAt((value >>> bits) & 31);
    }
  }
  return id;
}

/** True for what could be an id of ours; anything else is simply not found. */
export function isTaskId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{26}$/.test(text);
}
