// As many Pulsar servers as are asked for, in one process, whose jobs run for ever:  node fake-pulsar.mjs 10
// Prints their addresses as JSON. After `POST /hang` a server answers nothing any more. Only what the gateway asks while it hands jobs over and looks at them.
import { createServer } from 'node:http';

/** What short jobs of the gateway's own answer, by their verb. */
const ANSWERS = {
  probe: 'uid 1000\ncores 1024\nmemory 1073741824\nruntime 0 cgroupfs v2 \ngroups none\n',
  look: 'alive',
  end: 'ended',
  remove: 'removed',
};
const started = Date.now() / 1000 - 1000;
const report = () => {
  const up = (Date.now() / 1000 - started).toFixed(2);
  return `tes-report 1 ${up} 0f-12\nclock ${up} ${up} ${(Date.now() / 1000).toFixed(9)}\nbegin ${up} 0\n--\n--\n`;
};

function serve() {
  const jobs = new Map();
  const errands = new Map();
  let hangs = false;
  const routes = {
    'GET healthz': () => '{"version": "fake"}',
    'POST jobs': (_id, query) => {
      const id = query.get('job_id');
      jobs.set(id, 'preprocessing');
      return JSON.stringify({ job_id: id, job_directory: `/fake/${id}` });
    },
    'POST files': (id, query) => {
      // A cancel leaves a mark, and the job's script ends.
      if (/cancelled$/.test(query.get('name'))) jobs.set(id, 'complete');
      return '{}';
    },
    'POST submit': (id, query) => {
      errands.set(id, /job\.sh '?(\w+)/.exec(query.get('command_line'))?.[1]);
      jobs.set(id, id.startsWith('tes-errand-') ? 'complete' : 'running');
      return 'OK';
    },
    'GET status': (id) => JSON.stringify({ status: jobs.get(id) ?? 'lost' }),
    'GET files': (id, query) => {
      if (query.get('name') === 'answer') return ANSWERS[errands.get(id)];
      if (query.get('name') === 'tes/report') return jobs.get(id) === 'running' ? report() : 'planned\n';
      return undefined;
    },
    'PUT cancel': () => 'OK',
    'DELETE jobs': (id) => {
      jobs.delete(id);
      errands.delete(id);
      return 'OK';
    },
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://fake');
    const [, first, id = '', last = first] = pathname.split('/');
    request.resume().on('end', () => {
      if (hangs) return;
      if (pathname === '/hang') hangs = true;
      const answer = hangs ? 'OK' : routes[`${request.method} ${last}`]?.(id, searchParams);
      response.writeHead(answer === undefined ? 500 : 200, { 'content-type': 'text/html' }).end(answer);
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)));
}

console.log(JSON.stringify(await Promise.all(Array.from({ length: Number(process.argv[2]) }, serve))));
