/** Injection tokens of values that have no class. */
export const API_SETTINGS = Symbol('ApiSettings');
export const SERVICE_INFO_SETTINGS = Symbol('ServiceInfoSettings');
export const AUTHENTICATORS = Symbol('Authenticators');
