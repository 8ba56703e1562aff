import { Recent } from '../../../src/telemetry/recent';

it('an answer is made once for all who ask at once and shortly after, and not kept when it failed', async () => {
  let ms = 0;
  const making: { resolve: (text: string) => void; reject: (error: Error) => void }[] = [];
  const recent = new Recent(
    () => new Promise<string>((resolve, reject) => making.push({ resolve, reject })),
    1000,
    () => ms,
  );
  const first = [recent.get(), recent.get()];
  ms = 5000;
  first.push(recent.get());
  making[0]?.resolve('one');
  expect(await Promise.all(first)).toEqual(['one', 'one', 'one']);
  ms = 5999;
  expect(await recent.get()).toBe('one');
  expect(making).toHaveLength(1);
  ms = 6000;
  const failed = recent.get();
  making[1]?.reject(new Error('away'));
  await expect(failed).rejects.toThrow('away');
  void recent.get();
  expect(making).toHaveLength(3);
});
