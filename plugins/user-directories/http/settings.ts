import { z } from 'zod'
import { callerOptions, filePath, httpAddress } from '../../../src/plugin-kit.js'

const address = httpAddress()
const status = z.int().min(200).max(499)

/** What an answer looks like; everything that is named has to fit. */
const look = z
  .strictObject({
    status: z.union([status, z.array(status).min(1)]).optional(),
    /** Where it redirects to: a path with query, a * at the end for anything that follows; a whole URL on another host. */
    redirect: z.string().min(1).optional(),
    /** The name of a cookie it sets. */
    cookie: z.string().min(1).optional(),
    /** Words in the page. */
    text: z.string().min(1).optional(),
  })
  .refine((one) => Object.values(one).some((value) => value !== undefined), {
    message: 'must name a status, redirect, cookie or text',
  })

const form = z
  .strictObject({
    /** Where the form is sent. */
    url: address,
    /** The page that shows it, where that is another address: hidden fields and cookies are taken from there. */
    page: address.optional(),
    /** Whether the page is fetched first. */
    hidden: z.boolean().default(true),
    /** What the two fields are called. */
    username: z.string().min(1).default('username'),
    password: z.string().min(1).default('password'),
    /** Further fields. */
    extra: z.record(z.string(), z.string()).default({}),
    /** The answer to a right password. */
    success: look,
    /** The answer to a wrong one. Left out: whatever is no success, but for 429, 5xx and the like. */
    failure: look.optional(),
  })
  .refine(({ url, page = url }) => new URL(page).origin === new URL(url).origin, {
    message: 'must be on the same host as url',
    path: ['page'],
  })

export const settings = z
  .strictObject({
    /** Takes `{ username, password }` and answers 200 with the user, or 401. */
    url: address.optional(),
    /** Takes `{ id }`, `{ username }` or `{ email }` and answers 200 with a list of users, or 404. */
    findUrl: address.optional(),
    ...callerOptions,
    form: form.optional(),
    /** With a form: the mail address of every user, made of the name. */
    email: z
      .string()
      .refine((text) => text.includes('{username}') && !/[\s\p{C}]/u.test(text), {
        message: 'must name {username}, as in {username}@example.com',
      })
      .optional(),
    /** PEM file of an authority of one's own. Certificates are always verified. */
    ca: filePath().optional(),
    /** For one password, with everything that takes. */
    timeoutSeconds: z.number().positive().max(60).default(3),
  })
  .superRefine(({ url, form, findUrl, auth, signature, email }, context) => {
    const complain = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if ((url === undefined) === (form === undefined)) complain('url', 'takes either url or form')
    if (url !== undefined && email !== undefined) complain('email', 'is for form: here the answer names the address')
    if (form === undefined) return
    for (const [name, value] of Object.entries({ findUrl, auth, signature })) {
      if (value !== undefined) complain(name, 'is for url, not for form')
    }
  })

export type HttpSettings = z.output<typeof settings>
export type FormSettings = z.output<typeof form>
export type AnswerLook = z.output<typeof look>
