"""What can happen to requests and workers."""

from enum import Enum


class Fate(Enum):
    """What can happen to a request."""

    ANSWERED = "answered"
    NOT_SENT = "not sent"
    LOST_BEFORE = "lost before"
    REPLY_LOST = "reply lost"
    TWICE = "done twice, as the HTTP layer may"
    AGAIN_LATER = "done, and once more when nobody thinks of it any more"


MISFORTUNES = (Fate.NOT_SENT, Fate.LOST_BEFORE, Fate.REPLY_LOST, Fate.TWICE, Fate.AGAIN_LATER)


class Aftermath(Enum):
    """What can happen to a worker between two steps."""

    GOES_ON = "goes on"
    DIES = "dies"
    SLEEPS = "sleeps"
