import { searchAudit } from './audit/audit.js'
import { showDashboard } from './dashboard/dashboard.js'
import { ownerLink } from './installation/owner-link.js'
import { setupLink } from './installation/setup-link.js'
import { explainRequest, listSites } from './installation/sites.js'
import { listLocks, unlockNetwork, unlockUser } from './locks.js'
import { sendTest, showSending } from './messages.js'
import type { Operation } from './operation.js'
import { clearSessions, endSessions, listSessions } from './sessions.js'
import { previewSetting, setSetting, showSettings, unsetSetting } from './settings.js'
import { issueToken, listTokens, revokeToken } from './tokens.js'
import { backupStore } from './transfer/backup.js'
import { exportUsers, importUsers } from './transfer/transfer.js'
import { approveFactor, listApprovals, refuseFactor } from './users/approval.js'
import { changeUser } from './users/change.js'
import { activateUser, addUser, changeRole, deactivateUser } from './users/lifecycle.js'
import { endExemption, exemptUser, limitAddresses, requireSecondFactor, switchMethods } from './users/policy.js'
import { inviteUser, issueRecoveryCode, resetSecondFactor, sendLoginLink, sendMessage } from './users/recovery.js'
import { listUsers, showUser, userActivity } from './users/show.js'

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
  inviteUser,
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
  setupLink,
  showSettings,
  previewSetting,
  setSetting,
  unsetSetting,
  searchAudit,
  showDashboard,
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
