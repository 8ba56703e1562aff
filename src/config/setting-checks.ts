/** What settings are checked by. `must` throws `must be WORDS`. */
export const must = (condition: boolean, words: string): void => {
  if (!condition) throw new Error(`must be ${words}`);
};
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
export const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0');
export const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
