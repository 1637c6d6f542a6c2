/** The page of one user, under the prefix. */
export function userPage(id: string): string {
  return `/admin/users/${encodeURIComponent(id)}`
}
