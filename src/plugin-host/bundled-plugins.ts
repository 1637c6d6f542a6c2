/** Plugins of ours that need not be found in their folder, by `kind/use`: in a bundle, `build/bundle.ts` puts them here. */
export const bundledPlugins: Readonly<Record<string, () => Promise<{ readonly default: unknown }>>> = {}
