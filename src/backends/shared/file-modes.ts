/**
 * The mode of a staged file: whatever the image runs as may read and change it, and execute it where somebody may. The workspace, which
 * nobody else enters, is what protects it.
 */
export function openToAll(mode: number): number {
  return (mode & 0o111) === 0 ? 0o666 : 0o777;
}
