from trail.events import Vocabulary


class Event(Vocabulary):
    UNIT_OPENED = "people.unit.opened", "{actor} opened the unit {subject}"
    USER_ADDED = "people.user.added", "{actor} added {subject}"
    USER_SUSPENDED = "people.user.suspended", "{actor} suspended {subject}"
    PASSWORD_LINK_ISSUED = "people.password.offered", "{actor} issued a link with which {subject} sets a password"
    PASSWORD_SET = "people.password.set", "{actor} set the password of {subject}"
    ROLE_GRANTED = "people.role.granted", "{actor} made {subject} {facts[role]} in {facts[unit]}"
    ROLE_REVOKED = "people.role.revoked", "{actor} ended {subject}’s role as {facts[role]} in {facts[unit]}"
    TOKEN_CREATED = "people.token.created", "{actor} created the API token “{facts[name]}” for {subject}"
    TOKEN_REVOKED = "people.token.revoked", "{actor} revoked the API token “{facts[name]}” of {subject}"
    SIGNED_IN = "people.session.opened", "{actor} signed in"
    SIGN_IN_FAILED = "people.session.refused", "A sign-in as {subject} was refused"
