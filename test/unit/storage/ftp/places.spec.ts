import { Places } from '../../../../src/storage/ftp/places';

const { signal } = new AbortController();

describe('places', () => {
  it('are bounded for each name, and go to who has waited longest', async () => {
    const places = new Places(1);
    const order: string[] = [];
    const first = await places.enter('a', signal);
    const leave = await places.enter('b', signal);
    const waiting = ['x', 'y'].map(async (who) => {
      const done = await places.enter('a', signal);
      order.push(who);
      done();
    });
    leave();
    expect(order).toEqual([]);
    first();
    first();
    await Promise.all(waiting);
    expect(order).toEqual(['x', 'y']);
    (await places.enter('a', signal))();
  });

  it('are not kept for who has given up', async () => {
    const places = new Places(1);
    const leave = await places.enter('a', signal);
    const stop = new AbortController();
    const given = places.enter('a', stop.signal);
    const next = places.enter('a', signal);
    stop.abort();
    await expect(given).rejects.toMatchObject({ name: 'AbortError' });
    leave();
    (await next)();
    await expect(places.enter('a', stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });
});
