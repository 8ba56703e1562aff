import { quoteWord } from '../shared/shell-quote';
import type { PlacedFile } from './pulsar.manifest';

/** What a job leaves in its working directory for Pulsar's last update. */
export const TOLD_REPORT = 'tes-report';
export const TOLD_FACTS = 'tes-facts';

/** Everything of a job. */
export interface JobParts {
  readonly files: readonly PlacedFile[];
  /** Written only where nothing of that name is there yet. */
  readonly first: readonly PlacedFile[];
  readonly commandLine: string;
}

const END = 'TES-END-OF-FILE';

/**
 * One file that brings everything of a job: it lays plan and script, each whole by rename, and carries the command out. Pure, ASCII.
 *
 * The same job may come twice, beside a first that runs: then it exits at once, and before that what it lays is the same bytes by rename,
 * which the first, that has the old files open, does not see. It removes itself and what Pulsar keeps of the message: both hold the
 * plan, with what a stager needs to reach storage.
 */
export function jobBundle(
  name: string,
  job: JobParts,
  launchConfig: string,
  told: { readonly report: string; readonly facts: string },
): string {
  const files = [
    ...job.files.map((file) => lay(file, false)),
    ...job.first.map((file) => lay(file, true)),
    lay({ type: 'metadata', name: '../launch_config', content: Buffer.from(launchConfig) }, false),
  ];
  return [
    '#!/bin/sh',
    'umask 077',
    'cd ../metadata || exit 70',
    `rm -f ${quoteWord(`../tool_files/${name}`)}`,
    'lay() { # PATH [first]',
    '  mkdir -p "$(dirname "$1")" || exit 70',
    '  base64 -d >"$1.$$" || exit 70',
    // What an errand of the gateway (a cancel) has laid before, or lays at this moment, stays.
    '  if [ "${2-}" = first ] && { ln "$1.$$" "$1" 2>/dev/null || [ -e "$1" ]; }; then rm -f "$1.$$"; else mv "$1.$$" "$1" || exit 70; fi',
    '}',
    'tell() { # FILE AS',
    '  [ ! -e "$1" ] || { base64 -w 0 <"$1" >"../working/$2.new" && mv "../working/$2.new" "../working/$2"; }',
    '}',
    '[ ! -e tes/started ] || exit 0',
    ...files,
    job.commandLine,
    'code=$?',
    `tell ${quoteWord(told.facts)} ${TOLD_FACTS}`,
    `tell ${quoteWord(told.report)} ${TOLD_REPORT}`,
    'exit $code',
    '',
  ].join('\n');
}

function lay({ type, name, content }: PlacedFile, isFirst: boolean): string {
  const path = type === 'tool' ? `../tool_files/${name}` : name;
  const lines = content.toString('base64').replace(/.{76}/g, '$&\n');
  return `lay ${quoteWord(path)}${isFirst ? ' first' : ''} <<'${END}'\n${lines}\n${END}`;
}
