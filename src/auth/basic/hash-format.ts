/** As `htpasswd -B` (2y) and others write it. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** As `hashPassword` writes it. */
const SCRYPT = /^\$scrypt\$ln=(\d\d?),r=(\d\d?),p=(\d\d?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** So that one login costs no more than about a second and 128 MiB, whatever a file of passwords says. */
const MOST = { bcryptCost: 14, scryptBytes: 128 * 2 ** 20, scryptRounds: 16 };
/** Why nobody can log in with this hash, to go on after its name; `undefined` = it is in order. */
export function faultOfHash(hash: string): string | undefined {
  const [isBcrypt, cost] = BCRYPT.exec(hash) ?? [];
  if (isBcrypt !== undefined) return Number(cost) > MOST.bcryptCost ? `has a cost above ${MOST.bcryptCost}` : undefined;
  const parts = scryptParts(hash);
  if (!parts) return 'is neither bcrypt (htpasswd -B) nor scrypt (tes-gateway hash-password)';
  const { N, r, p } = parts;
  const isBounded = N > 1 && r > 0 && p > 0 && 128 * N * r <= MOST.scryptBytes && p <= MOST.scryptRounds;
  return isBounded ? undefined : `asks for more than ${MOST.scryptBytes / 2 ** 20} MiB or ${MOST.scryptRounds} rounds`;
}

export interface ScryptParts {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** `undefined` = it is bcrypt. */
export function scryptParts(hash: string): ScryptParts | undefined {
  const [, ln, r, p, salt, key] = SCRYPT.exec(hash) ?? [];
  if (salt === undefined || key === undefined) return undefined;
  return { N: 2 ** Number(ln), r: Number(r), p: Number(p), salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
}
