/** Imported first by every program: under an older Node what follows would fail with words that say nothing. */
const NEEDED = 24;

if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(
    `tes-gateway needs Node ${NEEDED} or newer, and this is ${process.version}. \`npm start\` uses the one that npm installed with it.\n`,
  );
  process.exit(1);
}
