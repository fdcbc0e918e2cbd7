"""What to do next, in words: each step in Vietnamese and English, without a person. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One step: `key` for programs, the sentences for people."""

    key: str
    vi: str
    en: str


_WORDS: Mapping[str, tuple[str, str]] = {
    "ask": (
        "Thuê bao nhập mã tra cứu để xem việc cần làm, hoặc gọi tổng đài.",
        "The subscriber enters the look-up code to see what to do, or calls the hotline.",
    ),
    "nothing": (
        "Không cần làm gì.",
        "Nothing is to be done.",
    ),
    "renew": (
        "Chứng thư số sắp hết hạn: đề nghị gia hạn trước {until}.",
        "The certificate ends soon: ask for its renewal before {until}.",
    ),
    "expired": (
        "Chứng thư số đã hết hạn: đăng ký cấp mới nếu muốn dùng tiếp.",
        "The certificate has expired: apply for a new one to go on.",
    ),
    "revoked": (
        (
            "Chứng thư số đã thu hồi không thể khôi phục. Để dùng tiếp, gửi ảnh giấy đăng ký "
            "kinh doanh và giấy tờ tùy thân của người đại diện để được cấp chứng thư số mới."
        ),
        (
            "A revoked certificate is never restored. To go on, send photos of the business "
            "registration and the representative's ID; a new certificate is then issued."
        ),
    ),
    "authority": (
        (
            "Chứng thư số bị tạm dừng theo yêu cầu của cơ quan có thẩm quyền; bổ sung hồ sơ "
            "không làm phục hồi. Liên hệ cơ quan đó."
        ),
        (
            "An authority had the certificate suspended; papers do not restore it. Turn to "
            "that authority."
        ),
    ),
    "held": (
        "Chứng thư số đang tạm dừng: liên hệ tổng đài.",
        "The certificate is suspended: call the hotline.",
    ),
    "loss": (
        (
            "Thiết bị được báo mất. Xác minh với tổng đài: tìm thấy thì phục hồi, mất hẳn thì "
            "thu hồi và cấp mới."
        ),
        (
            "The token was reported lost. Verify yourself on the hotline: if it was found the "
            "certificate is restored, if not it is revoked and a new one is issued."
        ),
    ),
    "pause": (
        "Chứng thư số tạm dừng theo yêu cầu của thuê bao; thuê bao đề nghị phục hồi khi muốn.",
        (
            "The certificate is suspended at the subscriber's request; the subscriber may ask "
            "to have it restored."
        ),
    ),
    "wait": (
        "Giấy tờ đã nhận đang được kiểm tra; chưa cần làm gì thêm.",
        "The papers received are being examined; nothing more is to be done now.",
    ),
    "send": (
        "Gửi bổ sung giấy tờ còn thiếu về văn phòng.",
        "Send the papers still missing to the office.",
    ),
    "send_or_hold": (
        (
            "Gửi giấy tờ còn thiếu để văn phòng nhận được trước {until}; quá hạn chứng thư số "
            "bị tạm dừng."
        ),
        (
            "Send the papers still missing so that the office has them before {until}; after "
            "that the certificate is suspended."
        ),
    ),
    "send_or_lose": (
        (
            "Gửi giấy tờ còn thiếu để văn phòng nhận được trước {until}: đủ hồ sơ thì phục "
            "hồi ngay, quá hạn thì thu hồi vĩnh viễn."
        ),
        (
            "Send the papers still missing so that the office has them before {until}: a "
            "complete dossier restores the certificate at once, after that it is revoked for "
            "ever."
        ),
    ),
    "send_at_once": (
        "Gửi ngay giấy tờ còn thiếu: chứng thư số có thể bị thu hồi vĩnh viễn bất cứ lúc nào.",
        (
            "Send the papers still missing at once: the certificate may be revoked for ever "
            "at any time."
        ),
    ),
    "case_opened": (
        "Gửi ảnh giấy đăng ký kinh doanh và giấy tờ tùy thân của người đại diện.",
        "Send photos of the business registration and of the representative's ID.",
    ),
    "case_photos_received": (
        "Chờ bộ phận chăm sóc khách hàng gọi video để xác minh.",
        "Wait for customer care's video call.",
    ),
    "case_multi_company": (
        "Người đại diện đứng tên nhiều công ty: gọi tổng đài để được hỗ trợ trực tiếp.",
        "The representative stands for several companies: call the hotline; an officer helps.",
    ),
    "case_video_failed": (
        "Cuộc gọi video chưa xác minh được: hẹn gọi lại, hoặc đề nghị nhân viên hỗ trợ.",
        "The video call did not verify: arrange another one, or ask for an officer.",
    ),
    "case_with_officer": (
        "Nhân viên đang xác minh trực tiếp; mang bản chính giấy tờ tùy thân đến văn phòng.",
        "An officer verifies in person; bring the original of the ID to the office.",
    ),
    "case_video_verified": (
        "Chờ phiếu đề nghị thanh toán.",
        "Wait for the payment request.",
    ),
    "case_payment_requested": (
        "Thanh toán trước {until}; quá hạn thì đề nghị được đóng.",
        "Pay before {until}; after that the case is closed.",
    ),
    "case_paid": (
        "Đã thanh toán; chờ nhận USB Token.",
        "Paid; wait for the token.",
    ),
    "case_token_shipped": (
        "USB Token đang được chuyển. Chuẩn bị hồ sơ giấy: in, ký, đóng dấu.",
        "The token is on its way. Prepare the paper dossier: print, sign, stamp.",
    ),
    "case_courier_failed": (
        "Chuyển phát không thành, thời hạn chưa tính: gọi tổng đài để xác nhận địa chỉ.",
        "The courier failed and no term runs yet: call the hotline to confirm the address.",
    ),
    "case_token_refused": (
        "Chờ USB Token mới.",
        "Wait for a new token.",
    ),
    "case_token_lost": (
        "Chờ USB Token mới.",
        "Wait for a new token.",
    ),
    "case_token_received": (
        (
            "Gửi hồ sơ giấy đầy đủ để văn phòng nhận được trước {until}; quá hạn chứng thư số "
            "bị thu hồi và USB Token bị khóa vĩnh viễn."
        ),
        (
            "Send the full paper dossier so that the office has it before {until}; after that "
            "the certificate is revoked and the token locked for ever."
        ),
    ),
    "case_dossier_received": (
        "Hồ sơ đã nhận, đang được kiểm tra; hạn bổ sung là {until}.",
        "The dossier was received and is being examined; what lacks may come before {until}.",
    ),
    "case_deadline_missed": (
        (
            "Quá hạn: chứng thư số đã bị thu hồi, USB Token sẽ bị khóa vĩnh viễn. Đề nghị mới "
            "nếu muốn dùng tiếp."
        ),
        (
            "Too late: the certificate is revoked and the token is being locked for ever. "
            "Apply anew to go on."
        ),
    ),
    "case_activated": (
        "Không cần làm gì.",
        "Nothing is to be done.",
    ),
    "case_unpaid": (
        "Đề nghị đã đóng vì chưa thanh toán; đề nghị lại nếu muốn dùng tiếp.",
        "The case was closed unpaid; apply anew to go on.",
    ),
    "case_forfeited": (
        "Chứng thư số đã bị thu hồi và USB Token đã bị khóa; đề nghị mới nếu muốn dùng tiếp.",
        "The certificate was revoked and the token locked; apply anew to go on.",
    ),
}

PRIVATE = frozenset(key for key in _WORDS if key.startswith("case_"))
"""The steps that are the subscriber's own business."""


def said(key: str, until: str = "") -> Said:
    """Return the step named `key` with its instant, as it was written, in both languages."""
    vi, en = _WORDS[key]
    return Said(key=key, vi=vi.format(until=until), en=en.format(until=until))
