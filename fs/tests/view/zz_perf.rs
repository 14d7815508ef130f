use std::fs; use std::time::Instant; use crate::support::{Mount,Mode};
#[test] fn perf() {
  for mode in [Mode::Passthrough, Mode::Cached] {
    let m = Mount::new(mode,false).unwrap();
    fs::create_dir(m.path("d")).unwrap();
    let n=1000u32;
    let bytes=vec![1u8;100_000];
    let set: Vec<_> = (0..n).map(|i| m.blob(&format!("d/{i}.o"), &bytes)).collect();
    let t=|what:&str, f:&mut dyn FnMut(u32)| { let s=Instant::now(); for i in 0..n { f(i) } println!("{mode:?} {what}: {:.1} us", s.elapsed().as_secs_f64()*1e6/n as f64); };
    let p = |i:u32| m.path(&format!("d/{i}.o"));
    t("stat missing", &mut |i| assert!(!p(i).exists()));
    t("stat missing again", &mut |i| assert!(!p(i).exists()));
    t("project one", &mut |i| m.view.project(&set[i as usize..i as usize+1]).unwrap());
    t("stat 1st", &mut |i| assert!(p(i).exists()));
    t("stat warm", &mut |i| assert!(p(i).exists()));
    t("open+close", &mut |i| drop(fs::File::open(p(i)).unwrap()));
    t("read 100K", &mut |i| assert_eq!(fs::read(p(i)).unwrap().len(),100_000));
    t("look", &mut |i| drop(m.view.look(format!("d/{i}.o").as_ref(), true).unwrap()));
    t("create+write lower 100K", &mut |i| fs::write(m.path(&format!("d/{i}.l")), &bytes).unwrap());
    let f = fs::File::create(m.path("many")).unwrap();
    t("write 100B", &mut |_| std::io::Write::write_all(&mut &f, &bytes[..100]).unwrap());
    t("stat lower", &mut |i| assert!(m.path(&format!("d/{i}.l")).exists()));
    t("open+close lower", &mut |i| drop(fs::File::open(m.path(&format!("d/{i}.l"))).unwrap()));
    t("append copy-up", &mut |i| drop(fs::OpenOptions::new().append(true).open(p(i)).unwrap()));
    t("unlink lower", &mut |i| fs::remove_file(m.path(&format!("d/{i}.l"))).unwrap());
    let s=Instant::now(); m.view.project(&set).unwrap(); println!("{mode:?} project batch over lower: {:.1}", s.elapsed().as_secs_f64()*1e6/n as f64);
    let s=Instant::now(); m.view.project(&set).unwrap(); println!("{mode:?} project batch: {:.1}", s.elapsed().as_secs_f64()*1e6/n as f64);
    t("unlink projected", &mut |i| fs::remove_file(p(i)).unwrap());
  }
}
