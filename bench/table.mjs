// How rows are shown: a line as each is measured, and the table at the end.
import { cpus, totalmem } from 'node:os';

const MARKS = new Map([
  [true, 'pass'],
  [false, 'MISS'],
  [undefined, ''],
]);

export const rowLine = ({ what, shown, target, pass }) => `${(MARKS.get(pass) || '-').padEnd(4)}  ${what}: ${shown}  (target ${target})`;

/** `beside` names what stands in the last column; without it, the other server. */
export function markdown({ rows, date, quick, yardPerSecond, beside }) {
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}`;
  const cells = rows.map((row) => [row.what, row.shown, row.target, MARKS.get(row.pass), (beside ? row.beside : row.funnel) ?? '']);
  const lines = [['row', 'tes-gateway', 'target', '', beside ?? 'Funnel'], ['---', '---', '---', '---', '---'], ...cells];
  return [
    `${date.slice(0, 16).replace('T', ' ')} UTC, ${machine}${yardPerSecond ? `, H = ${Math.round(yardPerSecond)}/s` : ''}${quick ? ', QUICK: small sizes, no figures to quote' : ''}`,
    '',
    ...lines.map((line) => `| ${line.join(' | ')} |`),
  ].join('\n');
}
