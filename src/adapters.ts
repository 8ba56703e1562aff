import { basicAuthentication } from './auth/basic/basic.adapter';
import { noAuthentication } from './auth/none/none.adapter';
import { oidcAuthentication } from './auth/oidc/oidc.adapter';
import { tokenAuthentication } from './auth/token/token.adapter';
import { localBackend } from './backends/local/local.adapter';
import { pulsarBackend } from './backends/pulsar/pulsar.adapter';
import type { Adapters } from './ports/adapter';
import { drsStorage } from './storage/drs/drs.adapter';
import { fileStorage } from './storage/file/file.adapter';
import { ftpStorage } from './storage/ftp/ftp.adapter';
import { httpStorage } from './storage/http/http.adapter';
import { s3Storage } from './storage/s3/s3.adapter';
import { mongoStore } from './stores/mongo/mongo.adapter';
import { sqliteStore } from './stores/sqlite/sqlite.adapter';

/** Every adapter there is; no other file of `src` names one. Loads without a compiler, so that scripts can read the pages of settings. */
export const adapters: Adapters = {
  backends: [localBackend, pulsarBackend],
  stores: [sqliteStore, mongoStore],
  storages: [fileStorage, httpStorage, s3Storage, ftpStorage, drsStorage],
  authenticators: [noAuthentication, basicAuthentication, oidcAuthentication, tokenAuthentication],
};
