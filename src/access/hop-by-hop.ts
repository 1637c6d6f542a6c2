/** Headers of one connection only, RFC 9110 7.6.1; `Trailer` and `TE` are settled by whoever passes a message on. */
export const hopByHop: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]
