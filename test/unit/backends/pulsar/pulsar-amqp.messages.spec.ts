import { deflateSync } from 'node:zlib';
import { isJobName, MOST_UPDATE_BYTES, parseUpdate, queueNames } from '../../../../src/backends/pulsar/pulsar-amqp.messages';

const JSON_TYPE = 'application/json';
const parsed = (body: object): ReturnType<typeof parseUpdate> => parseUpdate(Buffer.from(JSON.stringify(body)), JSON_TYPE, undefined);

describe('messages of Pulsar over AMQP', () => {
  it("names the queues as Pulsar does: by manager, or by the prefix that takes the manager's place", () => {
    expect(queueNames(undefined, undefined)).toMatchObject({
      setup: 'pulsar__setup',
      kill: 'pulsar__kill',
      updates: 'pulsar__status_update',
    });
    expect(queueNames('_default_', undefined).status).toBe('pulsar__status');
    expect(queueNames('gpu', undefined).setup).toBe('pulsar_gpu__setup');
    expect(queueNames('gpu', 'tes1').setup).toBe('tes1_setup');
  });

  it('reads what Pulsar says, also compressed', () => {
    const body = { job_id: 'tes-a-1', status: 'complete', job_directory: '/s/tes-a-1', pulsar_version: '0.16.0' };
    const expected = { kind: 'update', jobId: 'tes-a-1', status: 'complete', version: '0.16.0', directory: '/s/tes-a-1' };
    expect(parsed(body)).toMatchObject(expected);
    expect(parseUpdate(deflateSync(JSON.stringify(body)), JSON_TYPE, 'application/x-gzip')).toMatchObject(expected);
    expect(parsed({ job_id: 'tes-a-1', status: null })).toMatchObject({ status: null });
  });

  it('takes a job for lost only where its directory is gone', () => {
    expect(parsed({ job_id: 'tes-a-1', status: 'lost', job_directory_contents: [] })).toMatchObject({ status: 'lost' });
    expect(parsed({ job_id: 'tes-a-1', status: 'lost', job_directory_contents: ['metadata'] })).toMatchObject({ status: 'running' });
  });

  it('answers who wants to be acknowledged, into a queue of acknowledgements only', () => {
    const body = { job_id: 'tes-a-1', status: 'running', acknowledge_uuid: 'u', acknowledge_queue: 'status_update_ack' };
    expect(parsed(body)).toMatchObject({ acknowledge: { uuid: 'u', queue: 'status_update_ack' } });
    expect(parsed({ ...body, acknowledge_queue: 'setup' })).not.toHaveProperty('acknowledge');
  });

  it.each([
    ['<html>', JSON_TYPE, undefined],
    ['[1]', JSON_TYPE, undefined],
    ['null', JSON_TYPE, undefined],
    ['{"status": "complete"}', JSON_TYPE, undefined],
    ['{"job_id": "", "status": "complete"}', JSON_TYPE, undefined],
    ['{"job_id": 7, "status": "complete"}', JSON_TYPE, undefined],
    ['{"job_id": "a", "status": 7}', JSON_TYPE, undefined],
    ['{"job_id": "a", "status": "complete"}', 'application/json; charset=utf-8', undefined],
    ['{"job_id": "a", "status": "complete"}', JSON_TYPE, 'application/x-bz2'],
    ['{"job_id": "a", "status": "complete"}', JSON_TYPE, 'application/x-gzip'],
  ])('calls %s of type %s, compressed as %s, strange', (text, type, compression) => {
    expect(parseUpdate(Buffer.from(text), type, compression).kind).toBe('strange');
  });

  it('reads nothing that is too long, also unpacked, and no bytes that are not UTF-8', () => {
    expect(parseUpdate(Buffer.alloc(MOST_UPDATE_BYTES + 1, 0x20), JSON_TYPE, undefined).kind).toBe('strange');
    expect(parseUpdate(deflateSync(Buffer.alloc(MOST_UPDATE_BYTES + 1, 0x20)), JSON_TYPE, 'application/x-gzip').kind).toBe('strange');
    expect(parseUpdate(Buffer.from([0x22, 0xff, 0x22]), JSON_TYPE, undefined).kind).toBe('strange');
  });

  it('tells jobs of the gateway from everything else', () => {
    expect(['tes-01abc-1', 'tes-errand-00ff', '../tes-a-1', 'tes-a-1\n', 'job'].map(isJobName)).toEqual([true, false, false, false, false]);
  });
});
