# SPDX-License-Identifier: Apache-2.0
"""The tests of test_ussd_smpp.py once more, between an SMSC that is not ours: npm's smpp."""
import pytest
import smpp_world
from engines import until
from test_ussd_smpp import *  # noqa: F401,F403


class Npm(smpp_world.Smsc):
    """What ussd_smsc.Smsc can, by npm's smpp."""

    def __init__(self):
        super().__init__()
        self.number = 0

    def credential(self):
        found = super().credential()
        found["data"]["systemId"] = "ussd"
        return found

    @property
    def got(self):
        return [{**one, "text": one["submit"]} for one in self.of("submit")]

    def to(self, number):
        return [one for one in self.got if one["to"] == number]

    def bound(self):
        return len(self.of("bind")) > len(self.of("closed"))

    def deliver(self, number, op, info, text="", code="384"):
        until(self.bound, what="no bind")
        self.number += 1
        name = f"d{self.number}"
        self.tell(name=name, deliver={
            "service_type": "USSD", "source_addr": number, "source_addr_ton": 1, "source_addr_npi": 1,
            "destination_addr": code, "short_message": text, "ussd_service_op": op, "info": info})
        until(lambda: [one for one in self.of("answer") if one["of"] == name and one["answer"] == 0],
              what=lambda: f"not answered: {self.said[-3:]}")


@pytest.fixture(scope="module")
def smsc():
    one = Npm()
    yield one
    one.close()
