"""What a device says about itself, read from recorded answers and from hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.devices.adb.device_facts import (
    CoreGroup,
    find_core_name,
    format_title,
    group_cores,
    parse_cpuinfo,
    parse_listing,
    parse_memory,
    parse_properties,
    read_facts,
)
from edge_bert.errors import DeviceError
from tests import one_line
from tests.devices.device_answers import (
    G3_FEATURES,
    OLD_FEATURES,
    OLD_KERNEL,
    PIXEL_8,
    REDMI_4X,
    V8_FEATURES,
    AnsweringTarget,
    block,
    policies,
)
from tests.one_line import refused


def test_a_phone_of_three_clusters() -> None:
    """Cores by their part numbers, fastest first, with the features that all of them show."""
    facts = read_facts(AnsweringTarget(PIXEL_8))
    assert facts.groups == (
        CoreGroup(core="cortex-x3", cores=1, max_mhz=2914),
        CoreGroup(core="cortex-a715", cores=4, max_mhz=2367),
        CoreGroup(core="cortex-a510", cores=4, max_mhz=1704),
    )
    assert facts.features == ("asimd", "dotprod", "i8mm")  # svebf16 is not bf16
    assert (facts.title, facts.soc) == ("Google Pixel 8 Pro", "Google Tensor G3")
    assert facts.memory_bytes == 7763708 * 1024
    assert not facts.emulated
    assert not facts.watch


def test_two_clusters_of_one_core() -> None:
    """The same core at two clocks is two clusters; the chip's name comes from the kernel."""
    facts = read_facts(AnsweringTarget(REDMI_4X))
    assert [(each.core, each.cores, each.max_mhz) for each in facts.groups] == [
        ("cortex-a53", 4, 1401),
        ("cortex-a53", 4, 1094),
    ]
    assert facts.features == ("asimd",)
    assert facts.soc == "Qualcomm Technologies, Inc MSM8940"


def test_an_old_kernel_names_the_core_once() -> None:
    """Part number and features at the end are every CPU's."""
    found = parse_cpuinfo(OLD_KERNEL)
    assert found.cores == dict.fromkeys(range(8), "cortex-a53")
    assert found.features == ("asimd",)


def test_a_sleeping_cpu_is_like_its_neighbours() -> None:
    """CPUs that cpuinfo leaves out are counted through their shared clock."""
    awake = "".join(block(cpu, "0xd05", V8_FEATURES) for cpu in (0, 1)) + block(
        4, "0xd0d", V8_FEATURES
    )
    files = parse_listing(policies((range(4), 1804800), (range(4, 8), 2419200)))
    groups = group_cores(parse_cpuinfo(awake).cores, files)
    assert [(each.core, each.cores) for each in groups] == [("cortex-a77", 4), ("cortex-a55", 4)]


def test_features_are_what_all_cores_have() -> None:
    """One cluster without dot products takes them from all, as programs see it."""
    mixed = block(0, "0xd03", OLD_FEATURES) + block(1, "0xd46", G3_FEATURES)
    assert parse_cpuinfo(mixed).features == ("asimd",)


@pytest.mark.parametrize(
    ("maker", "part", "core"),
    [
        (0x41, 0xD82, "cortex-x4"),
        (0x51, 0x804, "cortex-a76"),  # Snapdragon 855
        (0x51, 0x801, "cortex-a53"),  # Snapdragon 680
        (0x41, 0xD85, "cortex-x925"),  # Dimensity 9400
        (0x41, 0xD87, "cortex-a725"),
        (0x41, 0xD8C, "c1-ultra"),  # Dimensity 9500
        (0x51, 0x001, "oryon"),
        (0x51, 0x002, "oryon-3"),  # Snapdragon 8 Elite Gen 5
        (0x51, 0x003, "unknown-51-003"),
        (0x41, 0xD8F, "unknown-41-d8f"),
    ],
)
def test_core_names(maker: int, part: int, core: str) -> None:
    """Arm's and Qualcomm's numbers; an unknown core gets a name that says which it is."""
    assert find_core_name(maker, part) == core


def test_a_variant_tells_cores_of_one_part_apart() -> None:
    """A Snapdragon 8 Elite numbers all its cores alike; the slower ones are another variant."""
    slow, fast = (
        block(cpu, "0x001", G3_FEATURES, "0x51").replace("variant\t: 0x1", f"variant\t: {variant}")
        for cpu, variant in ((0, "0x4"), (6, "0x3"))
    )
    assert parse_cpuinfo(slow + fast).cores == {0: "oryon-m", 6: "oryon"}


def test_caches_from_sysfs() -> None:
    """Data, second and third level, with K and M; an instruction cache is none of them."""
    text = policies(((0,), 2400000))
    shown = ("1 Data 64K", "1 Instruction 64K", "2 Unified 512K", "3 Unified 2M")
    for index, (level, kind, size) in enumerate(line.split() for line in shown):
        folder = f"/sys/devices/system/cpu/cpu0/cache/index{index}"
        text += f"{folder}/level:{level}\n{folder}/type:{kind}\n{folder}/size:{size}\n"
    (group,) = group_cores({0: "cortex-a76"}, parse_listing(text))
    assert (group.l1d_bytes, group.l2_bytes, group.l3_bytes) == (65536, 524288, 2097152)


def test_values_of_several_lines_are_left_out() -> None:
    """getprop prints them raw; nothing of theirs may pass for another property."""
    text = "[a]: [first\nsecond]\n[ro.product.model]: [Pixel\x1b[2J 9]\n[b]: []\n"
    assert parse_properties(text) == {"ro.product.model": "Pixel[2J 9", "b": ""}


@pytest.mark.parametrize(
    ("maker", "model", "title"),
    [
        ("Google", "Pixel 9", "Google Pixel 9"),
        ("OnePlus", "OnePlus 12", "OnePlus 12"),
        ("", "", "unnamed device"),
    ],
)
def test_titles(maker: str, model: str, title: str) -> None:
    """The maker is said once."""
    assert format_title({"ro.product.manufacturer": maker, "ro.product.model": model}) == title


def test_memory_that_is_hidden_is_absent() -> None:
    """No figure is made up."""
    assert parse_memory("MemFree: 12 kB\n") is None


@pytest.mark.parametrize(
    "lost", ["getprop", "cpuinfo", "meminfo", "sysfs", "no clocks", "x86", "too many"]
)
def test_a_device_that_hides_what_a_profile_needs(lost: str) -> None:
    """One line that says what is missing."""
    answers = {name: text for name, text in PIXEL_8.items() if name != lost}
    if lost == "no clocks":
        answers["sysfs"] = ""
    if lost == "x86":
        answers["cpuinfo"] = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vme\n"
    if lost == "too many":
        answers["cpuinfo"] = "".join(block(cpu, "0xd05", V8_FEATURES) for cpu in range(65))
    with refused(DeviceError):
        read_facts(AnsweringTarget(answers))


@given(st.text(max_size=300))
def test_any_cpuinfo_is_read_or_refused(text: str) -> None:
    """Whatever the device prints."""
    try:
        found = parse_cpuinfo(text)
    except DeviceError as error:
        one_line.check(error, DeviceError)
    else:
        assert found.cores


@given(st.text(max_size=300), st.text("0123456789 \n:/cpufreqmaxnolidy_", max_size=300))
def test_any_listing_is_read_or_refused(properties: str, files: str) -> None:
    """Numbers out of range, paths of no CPU, lists of no numbers."""
    parse_properties(properties)
    parse_memory(properties)
    listing = "/sys/devices/system/cpu/" + files.replace("\n", "\n/sys/devices/system/cpu/")
    try:
        groups = group_cores({0: "cortex-a55"}, parse_listing(listing))
    except DeviceError as error:
        one_line.check(error, DeviceError)
    else:
        assert groups
