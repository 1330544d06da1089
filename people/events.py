from trail.events import Vocabulary


class Event(Vocabulary):
    UNIT_OPENED = "people.unit.opened", "{actor} opened the unit {subject}"
    USER_ADDED = "people.user.added", "{actor} added {subject}"
    USER_SUSPENDED = "people.user.suspended", "{actor} suspended {subject}", True
    PASSWORD_LINK_ISSUED = "people.password.offered", "{actor} issued a link with which {subject} sets a password", True
    PASSWORD_SET = "people.password.set", "{actor} set the password of {subject}", True
    ROLE_GRANTED = "people.role.granted", "{actor} made {subject} {facts[role]} in {facts[unit]}", True
    ROLE_REVOKED = "people.role.revoked", "{actor} ended {subject}’s role as {facts[role]} in {facts[unit]}", True
    TOKEN_CREATED = "people.token.created", "{actor} created the API token “{facts[name]}” for {subject}", True
    TOKEN_REVOKED = "people.token.revoked", "{actor} revoked the API token “{facts[name]}” of {subject}", True
    SIGNED_IN = "people.session.opened", "{actor} signed in"
    SIGN_IN_FAILED = "people.session.refused", "A sign-in as {subject} was refused"
    AUDITOR_READ = "people.auditor.read", "{actor} read {subject}"
    PASSKEY_ADDED = "people.passkey.added", "{actor} added the passkey “{facts[name]}” of {subject}", True
    PASSKEY_REMOVED = "people.passkey.removed", "{actor} removed the passkey “{facts[name]}” of {subject}", True
    TOTP_ADDED = "people.totp.added", "{actor} added the authenticator app of {subject}", True
    TOTP_REMOVED = "people.totp.removed", "{actor} removed the authenticator app of {subject}", True
    METHODS_RESET = (
        "people.methods.reset",
        "{actor} took away the passkeys and the authenticator app of {subject}",
        True,
    )
    ERASURE_ASKED = "people.erasure.asked", "{actor} asked that the data of {subject} be erased: {facts[basis]}", True
