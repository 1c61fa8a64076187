//! The published keyspace ids, and what is refused.

use super::*;

fn id(vindex: Vindex, value: Value) -> String {
    vindex.keyspace_id(&value, None).expect("a keyspace id").to_string()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn hash_gives_the_published_ids() {
    for (value, expected) in [
        (Value::Int(1), "166b40b44aba4bd6"),
        (Value::Int(2), "06e7ea22ce92708f"),
        (Value::Int(3), "4eb190c9a2fa169c"),
        (Value::Int(4), "d2fd8867d50d2dfe"),
        (Value::Int(5), "70bb023c810ca87a"),
        (Value::Int(6), "f098480ac4c4be71"),
        (Value::Int(0), "8ca64de9c1b123a7"),
        (Value::Int(-1), "355550b2150e2451"),
        (Value::UInt(u64::MAX), "355550b2150e2451"),
        (Value::Int(i64::MAX), "f77d48aadda1f1bb"),
        (Value::Int(i64::MIN), "95f8a5e5dd31d900"),
        (text("1"), "166b40b44aba4bd6"),
        (text("-1"), "355550b2150e2451"),
        (text("18446744073709551615"), "355550b2150e2451"),
    ] {
        assert_eq!(id(Vindex::Hash, value.clone()), expected, "{value:?}");
    }
}

#[test]
fn xxhash_gives_the_published_ids() {
    for (value, expected) in [
        (text("test1"), "d01ab7e4d6978f0b"),
        (text("test2"), "87eb11714c0a0e89"),
        (text("testaverylongvaluetomakesurethisworks"), "81d8c38e0d850e6a"),
        (Value::Bytes(b"test1".to_vec()), "d01ab7e4d6978f0b"),
        (Value::Int(1), "d46405367612b4b7"),
        (Value::Int(-1), "d8e2a6a7c8c7623d"),
        (Value::UInt(u64::MAX), "477cfa8d6d8f1f8d"),
        (Value::Int(i64::MAX), "b37eb01f7bffafd8"),
        (Value::Int(i64::MIN), "102c27ddb26a609e"),
        (text(""), "99e9d85137db46ef"),
    ] {
        assert_eq!(id(Vindex::XxHash, value.clone()), expected, "{value:?}");
    }
}

#[test]
fn binary_md5_gives_the_published_ids() {
    for (value, expected) in [
        ("test1", "5a105e8b9d40e1329780d62ea2265d8a"),
        ("TEST", "033bd94b1168d7e4f0d644c3c95e35bf"),
        ("Test", "0cbc6611f5540bd0809a388dc95a615b"),
    ] {
        assert_eq!(id(Vindex::BinaryMd5, text(value)), expected, "{value}");
    }
}

#[test]
fn unicode_loose_gives_the_published_ids() {
    for (value, expected) in [
        ("Test", "42d21361087a4c07"),
        ("TEST", "42d21361087a4c07"),
        ("Tést", "42d21361087a4c07"),
        ("Te\u{301}st", "42d21361087a4c07"),
        ("Test ", "42d21361087a4c07"),
        ("Bést", "926975b9ce2ec316"),
        (" Test", "4fcb8be34ec05775"),
        ("Test\t", "20af87fc36e3fd51"),
        ("TéstLooong", "d3ea873942b484a7"),
        ("T", "f81c3be2d501fe18"),
        ("", "99e9d85137db46ef"),
    ] {
        assert_eq!(id(Vindex::UnicodeLooseXxHash, text(value)), expected, "{value:?}");
    }
    for (value, expected) in [
        ("Test", "0b5edbb401fd7524393690491d64f1f5"),
        ("Bést", "c2b2332e4f73d00741026249706f2fb6"),
        ("T", "ac0f9179f51db87fe8ecc0cf40cab97a"),
    ] {
        assert_eq!(id(Vindex::UnicodeLooseMd5, text(value)), expected, "{value:?}");
    }
}

#[test]
fn integers_are_their_own_ids() {
    for (vindex, value, expected) in [
        (Vindex::Numeric, 1, "0000000000000001"),
        (Vindex::Numeric, -1, "ffffffffffffffff"),
        (Vindex::ReverseBits, 1, "8000000000000000"),
        (Vindex::ReverseBits, 2, "4000000000000000"),
        (Vindex::ReverseBits, 3, "c000000000000000"),
        (Vindex::ReverseBits, 5, "a000000000000000"),
    ] {
        assert_eq!(id(vindex, Value::Int(value)), expected, "{vindex:?} {value}");
    }
    assert_eq!(id(Vindex::Binary, text("ab")), "6162");
}

#[test]
fn an_integer_column_takes_the_one_form_of_its_value() {
    let integer = Some(&ColumnClass::Integer);
    let plain = Vindex::XxHash.keyspace_id(&Value::Int(7), integer);
    assert_eq!(Vindex::XxHash.keyspace_id(&text("007"), integer), plain);
    assert_eq!(Vindex::XxHash.keyspace_id(&text("7"), integer), plain);
}

#[test]
fn values_that_could_mean_several_forms_are_refused() {
    let varchar = ColumnClass::Text("utf8mb4_general_ci".to_owned());
    for (vindex, value, class, message) in [
        (Vindex::Hash, Value::Null, None, "NULL has no keyspace id"),
        (Vindex::XxHash, Value::Null, None, "NULL has no keyspace id"),
        (Vindex::Hash, text("1 "), None, "a text is no integer of 64 bits, as the vindex `hash` takes them"),
        (Vindex::Hash, text("1e2"), None, "a text is no integer of 64 bits, as the vindex `hash` takes them"),
        (Vindex::Hash, text("-"), None, "a text is no integer of 64 bits, as the vindex `hash` takes them"),
        (
            Vindex::Numeric,
            text("18446744073709551616"),
            None,
            "a text is no integer of 64 bits, as the vindex `numeric` takes them",
        ),
        (Vindex::Hash, Value::Double(1.0), None, "the vindex `hash` takes an integer, not a double"),
        (
            Vindex::XxHash,
            Value::Decimal("1.0".to_owned()),
            None,
            "the vindex `xxhash` takes text, bytes or an integer, not a decimal",
        ),
        (Vindex::XxHash, Value::Int(1), Some(&varchar), "the vindex `xxhash` takes text or bytes, not an integer"),
        (
            Vindex::UnicodeLooseXxHash,
            Value::Bytes(vec![0xff]),
            None,
            "the vindex `unicode_loose_xxhash` takes text, and the bytes given are not UTF-8",
        ),
        (
            Vindex::UnicodeLooseMd5,
            text("เก"),
            None,
            "the vindex `unicode_loose_md5` has no proven weight for the character U+0E40",
        ),
    ] {
        let error = vindex.keyspace_id(&value, class).expect_err("refused");
        assert_eq!(error.to_string(), message, "{vindex:?} {value:?}");
    }
}
