/** Finds what `import('./x.js')` names, the form that Node wants of an `import()`, as the TypeScript that it is built from. */
module.exports = (path, options) => {
  const isOurs = path.startsWith('.') && path.endsWith('.js') && !options.basedir.includes('node_modules');
  return options.defaultResolver(isOurs ? path.slice(0, -'.js'.length) : path, options);
};
