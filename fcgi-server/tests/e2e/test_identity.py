# SPDX-License-Identifier: Apache-2.0
"""Whose rights a pool has, and whose its socket is: names and numbers, as php-fpm takes them."""

import grp
import json
import os
import pwd

import pytest

from harness.daemons import USER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
UID = pwd.getpwnam(USER).pw_uid
GID = grp.getgrnam(USER).gr_gid
HOME = pwd.getpwnam(USER).pw_dir
WHO = """
    echo json_encode([posix_getuid(), posix_getgid(), posix_getgroups(), getenv('USER'), getenv('HOME')]);
    """
USERS = {
    "name": ({"user": USER, "group": ""}, [UID, GID, USER, HOME]),
    "name and number": ({"user": USER, "group": "65534"}, [UID, 65534, USER, HOME]),
    "numbers": ({"user": str(UID), "group": str(GID)}, [UID, GID, False, False]),
    "number": ({"user": str(UID), "group": ""}, [UID, GID, False, False]),
    "number that nobody has": ({"user": "54321", "group": "54322"}, [54321, 54322, False, False]),
}
OWNERS = {
    "name": ({"listen.owner": USER, "listen.group": ""}, (UID, GID)),
    "number": ({"listen.owner": str(UID), "listen.group": ""}, (UID, 0)),
    "number that nobody has": ({"listen.owner": "54321", "listen.group": "54322"}, (54321, 54322)),
    "name and number": ({"listen.owner": USER, "listen.group": "65534"}, (UID, 65534)),
    "nothing": ({"listen.owner": "", "listen.group": ""}, (0, 0)),
}
REFUSED = {
    "root": ({"user": "root", "group": ""}, "please specify user and group other than root"),
    "number 0": ({"user": "0", "group": str(GID)}, "please specify user and group other than root"),
    "group root": ({"user": USER, "group": "root"}, "please specify user and group other than root"),
    "number that nobody has, without a group": ({"user": "54321", "group": ""}, "please specify user and group other than root"),
    "user": ({"user": "nobody-of-that-name"}, "cannot get uid for user 'nobody-of-that-name'"),
    "group": ({"group": "none-of-that-name"}, "cannot get gid for group 'none-of-that-name'"),
    "list": ({"listen.acl_users": f"{USER},nobody-of-that-name"}, "cannot get uid for user 'nobody-of-that-name'"),
    "group list": ({"listen.acl_groups": "none-of-that-name"}, "cannot get gid for group 'none-of-that-name'"),
    "number in a list, which holds names only": ({"listen.acl_users": str(UID)}, f"cannot get uid for user '{UID}'"),
    "owner": ({"listen.owner": "nobody-of-that-name"}, "cannot get uid for user 'nobody-of-that-name'"),
}


@pytest.mark.parametrize("name", USERS)
def test_user(fresh, name):
    settings, (uid, gid, user, home) = USERS[name]
    fresh.start(settings=settings)
    answer = json.loads(fresh.get(WHO).text)
    assert answer[:2] + answer[3:] == [uid, gid, user, home]
    assert 0 not in answer[2]  # root's groups are gone


@pytest.mark.parametrize("name", OWNERS)
def test_owner_of_the_socket(fresh, name):
    settings, expected = OWNERS[name]
    fresh.start(settings=settings)
    found = os.stat(fresh.address)
    assert (found.st_uid, found.st_gid) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_refused(fresh, name):
    settings, message = REFUSED[name]
    fresh.prepare(settings=settings)
    fresh.daemon.launch()
    assert fresh.daemon.wait() not in (0, None)
    assert message in fresh.daemon.logs()
