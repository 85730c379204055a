/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_TEST_PROVE_CONSTANTS_H
#define NATBRIDGE_TEST_PROVE_CONSTANTS_H

/* An enumerator or macro that the theorems read from the object: BTF does not have all of them. */
#define CONSTANT(name) const __s64 constant_##name = (name)

#endif
