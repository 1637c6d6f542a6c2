import { searchAudit } from './audit.js'
import { backupStore } from './backup.js'
import { showDay } from './day.js'
import { listLocks, unlockNetwork, unlockUser } from './locks.js'
import { sendTest, showSending } from './messages.js'
import type { Operation } from './operation.js'
import { ownerLink } from './owner-link.js'
import { clearSessions, endSessions, listSessions } from './sessions.js'
import { previewSetting, setSetting, showSettings, unsetSetting } from './settings.js'
import { explainRequest, listSites } from './sites.js'
import { issueToken, listTokens, revokeToken } from './tokens.js'
import { exportUsers, importUsers } from './transfer.js'
import { approveFactor, listApprovals, refuseFactor } from './users/approval.js'
import { changeUser } from './users/change.js'
import { issueRecoveryCode, resetSecondFactor, sendLoginLink, sendMessage } from './users/help.js'
import { listUsers, showUser, userActivity } from './users/look.js'
import { endExemption, exemptUser, limitAddresses, requireSecondFactor, switchMethods } from './users/policy.js'
import { activateUser, addUser, changeRole, deactivateUser } from './users/standing.js'

/** Everything owners and support can do. What is not here cannot be done by any door. */
export const operations: readonly Operation[] = [
  listUsers,
  showUser,
  userActivity,
  addUser,
  deactivateUser,
  activateUser,
  changeRole,
  changeUser,
  requireSecondFactor,
  exemptUser,
  endExemption,
  limitAddresses,
  switchMethods,
  issueRecoveryCode,
  sendLoginLink,
  sendMessage,
  resetSecondFactor,
  listApprovals,
  approveFactor,
  refuseFactor,
  listSessions,
  endSessions,
  clearSessions,
  listTokens,
  issueToken,
  revokeToken,
  ownerLink,
  showSettings,
  previewSetting,
  setSetting,
  unsetSetting,
  searchAudit,
  showDay,
  listLocks,
  unlockUser,
  unlockNetwork,
  showSending,
  sendTest,
  listSites,
  explainRequest,
  importUsers,
  exportUsers,
  backupStore,
]
