import { legacyServiceInfo, serviceInfo } from '../../../../src/api/service-info/service-info';
import { SERVICE_INFO } from '../http-app';

describe('serviceInfo', () => {
  it('says what the operator set, what can be reached, and each parameter key once', () => {
    const settings = { ...SERVICE_INFO, description: 'ours', contactUrl: 'mailto:a@example.org', environment: 'prod' };
    const info = serviceInfo(settings, ['file:///data', 'https://', 'file:///data'], ['vmsize', 'backend', 'gpus', 'vmsize']);
    expect(info).toEqual({
      ...settings,
      type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' },
      storage: ['file:///data', 'https://'],
      tesResources_backend_parameters: ['backend', 'gpus', 'max_runtime_seconds', 'max_transfer_seconds', 'vmsize'],
    });
  });
});

describe('legacyServiceInfo', () => {
  it('has exactly the three keys that py-tes 0.4 knows', () => {
    expect(Object.keys(legacyServiceInfo(SERVICE_INFO, []))).toEqual(['name', 'doc', 'storage']);
  });

  it('leaves out file storage, which Toil would take as a live mount', () => {
    expect(legacyServiceInfo(SERVICE_INFO, ['file:///data', '/data', 's3://bucket', 'https://']).storage).toEqual([
      's3://bucket',
      'https://',
    ]);
  });
});
