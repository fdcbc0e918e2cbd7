"""What a PKCS#11 module can do at most: its two C calls of one signature, and nothing else."""

import ctypes
import time
from contextlib import suppress

from hsm import modules, speed
from hsm.codes import Attribute, Mechanism, ObjectClass
from hsm.cryptoki import USER, CryptokiError
from hsm.layout import MechanismCall
from hsm.pin import Pin
from hsm.softhsm import SoftToken


def signing(token: SoftToken, name: str, mechanism: Mechanism, data: bytes) -> speed.Act:
    """Return the two C calls of one signature by the key `name`, with everything prepared."""
    loaded = modules.load(token.module_path)
    while not (slots := _slots(loaded, token)):
        # Another process was just logging in (see hsm.pool).
        loaded.initialize_again(loaded.generation, time.monotonic() + 9)
    with loaded.exclusively() as module:
        (slot,) = slots
        session = module.open_session(slot)
        if module.session_state(session) == 0:
            with Pin(token.pin_file.read_bytes()) as pin:
                module.login(session, USER, pin.buffer)
        wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: name.encode()}
        (key,) = module.find(session, wanted)
    call = MechanismCall(mechanism)
    room, length = ctypes.create_string_buffer(1024), ctypes.c_ulong()
    begin, sign = module.function("C_SignInit"), module.function("C_Sign")
    pointer, length_pointer, size = call.pointer, ctypes.byref(length), len(data)

    def act(_kept: object = call) -> None:
        begin(session, pointer, key)
        length.value = 1024
        if sign(session, data, size, room, length_pointer):
            raise RuntimeError("The module does not sign.")

    return act


def _slots(loaded: modules.LoadedModule, token: SoftToken) -> list[int]:
    with loaded.exclusively() as module, suppress(CryptokiError):
        return [slot for slot in module.slots() if module.token(slot).label == token.label]
    return []
